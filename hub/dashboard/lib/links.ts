/**
 * Turns a web address into a link, and nothing else, whatever the hub sends.
 *
 * @returns undefined: it is none
 */
export const toWebUrl = (text: string): string | undefined => {
  const url = URL.parse(text);
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.href : undefined;
};

/** @param template with `{revision}` @returns undefined: there is no such page */
export const commitUrl = (template: string | undefined, revision: string): string | undefined =>
  toWebUrl(template?.replaceAll('{revision}', encodeURIComponent(revision)) ?? '');
