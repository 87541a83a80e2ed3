export { runUninstall } from './command.ts';
export { type UninstallOptions, uninstall } from './uninstall.ts';
