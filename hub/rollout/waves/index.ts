export { findNoApprover, NO_APPROVERS, recordsOfTags, unseenWave } from './approvals.ts';
export { areHeldEqually, heldBy, type JudgedTags, type RolloutCluster, type RolloutInput } from './clusters.ts';
export { describeHalt, describeRun, describeWithoutRun, endOfWave, eventsOfRun, type WaveEnd } from './describe-run.ts';
export { planRun } from './plan-run.ts';
export { assertResumable, meantRun, pauseRun, RolloutChangeRefused, resumeRun } from './resume-run.ts';
export { asStored, commitsOf, type Facts, isEqualRun, isUnderWay, laterOf, parseRun, type RolloutRun, RUN_KEY } from './run.ts';
