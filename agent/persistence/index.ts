export { ConfigMapStore, type ConfigMapStoreOptions } from './config-map-store.ts';
