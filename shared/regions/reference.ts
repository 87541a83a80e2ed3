/** Content of a reference in a policy, a group or a placement. */
export type ParsedReference =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'region'; readonly provider: string; readonly name: string }
  | { readonly type: 'country'; readonly country: string }
  | { readonly type: 'partition'; readonly partition: string }
  | { readonly type: 'group'; readonly group: string };

const after = (reference: string, prefix: string): string | undefined =>
  reference.startsWith(prefix) ? reference.slice(prefix.length) : undefined;

/** Reads a reference that fits `RegionReference`: `eu-west-1`, `aws/eu-west-1`, `country:DE`. */
export const parseReference = (reference: string): ParsedReference => {
  const group = after(reference, 'group:');
  if (group !== undefined) return { type: 'group', group };
  const country = after(reference, 'country:');
  if (country !== undefined) return { type: 'country', country };
  const partition = after(reference, 'partition:');
  if (partition !== undefined) return { type: 'partition', partition };
  const slash = reference.indexOf('/');
  if (slash < 0) return { type: 'name', name: reference };
  return { type: 'region', provider: reference.slice(0, slash), name: reference.slice(slash + 1) };
};
