"""Stage `thought_videos`: the generator draws what the teacher wrote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from storm.artifacts.fs import digest, renamed_into, sha256_file
from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.errors import UnreadableVideo
from storm.keyframes.stage import KeyframesStage
from storm.process.warm import load_warm
from storm.records import Rejected, ThoughtVideo
from storm.thought_prompts.stage import ThoughtPromptsStage
from storm.thought_videos.base import GeneratedClip, GeneratorConfig, GeneratorRequest
from storm.thought_videos.quality import QualityGate
from storm.videos.decoding.encode import encode_mp4
from storm.videos.stage import VideoStage, videos_of


@dataclass(frozen=True, kw_only=True)
class ThoughtVideosStage(Stage[ThoughtVideo]):
    """One clip for each prompt, stored as H.264 so that a person can look at it."""

    name: ClassVar[str] = "thought_videos"
    row: ClassVar[type] = ThoughtVideo

    videos: VideoStage
    keyframes: KeyframesStage
    prompts: ThoughtPromptsStage
    generator: GeneratorConfig
    quality: QualityGate
    crf: int = 23
    seed: int = 0

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Yield every prompt."""
        prompts = self.prompts.artifact(store).index()
        keyframes = self.keyframes.artifact(store).index()
        for prompt in self.prompts.rows(store):
            yield prompt.id, (prompts[prompt.id], keyframes[prompt.video_id])

    def colocate(self, store: Store) -> dict[str, str]:
        """Keep prompts on a video in one shard, which reads its keyframes once."""
        return {p.id: p.video_id for p in self.prompts.rows(store)}

    def make(self, ids: Sequence[str], context: Context) -> Iterator[ThoughtVideo | Rejected]:
        """Yield the stored clip of each prompt, or why there is none."""
        generator = load_warm(type(self.generator).build, self.generator, context.runtime.device)
        prompts = {p.id: p for p in self.prompts.rows(context.store, set(ids))}
        video_ids = {p.video_id for p in prompts.values()}
        keyframes = {k.id: k for k in self.keyframes.rows(context.store, video_ids)}
        videos = videos_of(self.videos, context.store, *self.keyframes.splits)
        for batch in context.batches(ids):
            requests = []
            for i in batch:
                video_id = prompts[i].video_id
                try:
                    source = self.videos.locate(context.store, videos[video_id])
                except UnreadableVideo as e:
                    yield Rejected(id=i, reason=e.reason, detail=e.detail)
                    continue
                seed = int(digest([self.seed, i])[:8], 16)
                requests.append(GeneratorRequest(prompts[i], keyframes[video_id], source, seed))
            for request, clip in zip(requests, generator.generate(requests), strict=True):
                yield self._keep(request, clip, context)

    def _keep(
        self, request: GeneratorRequest, clip: GeneratedClip | Rejected, context: Context
    ) -> ThoughtVideo | Rejected:
        if isinstance(clip, Rejected):
            return clip
        item_id = request.prompt.id
        fault = self.quality.fault(clip, request)
        if fault is not None:
            return Rejected(id=item_id, reason=fault.reason, detail=fault.detail)
        path = context.artifact.blob_path(item_id, ".mp4")
        with renamed_into(path) as temporary:
            encode_mp4(temporary, clip.frames, clip.fps, crf=self.crf)
        frames, height, width, _ = clip.frames.shape
        return ThoughtVideo(
            id=item_id,
            blob=path.relative_to(context.artifact.path).as_posix(),
            sha256=sha256_file(path),
            frames=frames,
            fps=clip.fps,
            height_px=height,
            width_px=width,
            seed=request.seed,
        )
