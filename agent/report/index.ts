export { createEventStore, EventOutbox } from './event-outbox.ts';
export { isProven, nextProven } from './proven.ts';
export { Reporter, type RevisionFacts } from './reporter.ts';
