export { LockMonitor } from './lock-monitor.ts';
export { advanceProven, isRevisionProven, type RevisionState } from './revision-tracker.ts';
export { StatusPublisher } from './status-publisher.ts';
