export { Controller } from './controller.ts';
export { RevisionSlot } from './revision-slot.ts';
