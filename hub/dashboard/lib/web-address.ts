/** Only a web address becomes a link, whatever the hub says. @returns undefined: it is none */
export const webAddress = (text: string): string | undefined => {
  const url = URL.parse(text);
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? url.href : undefined;
};
