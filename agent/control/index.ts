export { Controller, type ControllerDeps } from './controller.ts';
export { RevisionSlot, type TargetCommit } from './revision-slot.ts';
