/** Only a web address becomes a link, whatever the hub says. @param template with `{revision}` */
export const commitPage = (template: string | undefined, revision: string): string | undefined => {
  const url = URL.parse(template?.replaceAll('{revision}', encodeURIComponent(revision)) ?? '');
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.href : undefined;
};
