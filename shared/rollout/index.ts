export { approvalTag, immediateTag, revocationTag } from './approval-tags.ts';
export { durationMs, OTHERS, type SelectedCluster, type WaveMembers, waveOf, wavesOf } from './waves.ts';
