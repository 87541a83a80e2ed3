export { type RolloutCluster, type RolloutInput, targetOf, wavesOfRun } from './clusters.ts';
export { describeHalt, describeImmediate, describeRun, eventsOfRun } from './describe-run.ts';
export { planRun } from './plan-run.ts';
export { pauseRun, resumeRun } from './resume-run.ts';
export { commitsOf, type Facts, isUnderWay, parseRun, type RolloutRun, RUN_KEY } from './run.ts';
