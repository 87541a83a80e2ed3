/**
 * Returns a text as a link if it is a web address. The hub may send anything.
 *
 * @returns undefined if it is no web address
 */
export const toWebUrl = (text: string): string | undefined => {
  const url = URL.parse(text);
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.href : undefined;
};

/** @param template URL with `{revision}` @returns undefined if there is no such page */
export const commitUrl = (template: string | undefined, revision: string): string | undefined =>
  toWebUrl(template?.replaceAll('{revision}', encodeURIComponent(revision)) ?? '');
