export { type Listeners, openListeners, type ServedParts } from './listeners.ts';
export { type HubContext, type HubDeps, openStores, type Stores } from './stores.ts';
