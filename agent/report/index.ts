export type { AcceptedPolicies, AcceptedPolicy } from './accepted-list.ts';
export { createEventStore, EventOutbox } from './event-outbox.ts';
export { advanceProven, isRevisionProven } from './proven.ts';
export { Reporter, type RevisionFacts } from './reporter.ts';
