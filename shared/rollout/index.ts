export { durationMs, OTHERS, type SelectedCluster, type WaveMembers, wavesOf } from './waves.ts';
