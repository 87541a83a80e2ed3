export { createEventStore, EventOutbox } from './event-outbox.ts';
export { isRevisionProven, advanceProven } from './proven.ts';
export { Reporter, type RevisionFacts } from './reporter.ts';
