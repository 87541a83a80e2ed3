export { approvalTag, immediateTag, revocationTag } from './approval-tags.ts';
export { PlannedWaves, planWaves } from './planned-waves.ts';
export { durationMs, OTHERS, type SelectedCluster, type WaveMembers, waveOf, wavesOf } from './waves.ts';
