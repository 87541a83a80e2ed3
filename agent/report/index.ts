export { createEventStore, EventOutbox } from './event-outbox.ts';
export { Reporter } from './reporter.ts';
