/** @returns `1,200`, whatever the language of the browser: all other text is English */
export const formatNumber = (value: number): string => value.toLocaleString('en');
