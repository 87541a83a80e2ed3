import { webAddress } from './web-address.ts';

/** @param template with `{revision}` @returns undefined: there is no such page */
export const commitPage = (template: string | undefined, revision: string): string | undefined =>
  webAddress(template?.replaceAll('{revision}', encodeURIComponent(revision)) ?? '');
