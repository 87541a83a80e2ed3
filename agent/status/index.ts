export { LockMonitor } from './lock-monitor.ts';
export { NO_GATEKEEPER } from './locks.ts';
export { StatusPublisher } from './status-publisher.ts';
