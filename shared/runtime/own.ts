/**
 * Reads an own property by an untrusted name, which may be the name of an inherited member such as
 * `constructor`.
 */
export const own = <T>(values: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  values !== undefined && Object.hasOwn(values, name) ? values[name] : undefined;
