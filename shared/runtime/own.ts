/**
 * Reads a value by a name that others choose, which may also be that of a member of every object,
 * such as `constructor`.
 */
export const own = <T>(values: Readonly<Record<string, T>> | undefined, name: string): T | undefined =>
  values !== undefined && Object.hasOwn(values, name) ? values[name] : undefined;
