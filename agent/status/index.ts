export { LockMonitor } from './lock-monitor.ts';
export { StatusPublisher } from './status-publisher.ts';
