import type { TokenRequest } from '@fso/shared/api';
import type { Context } from '../context.ts';
import { tokenColumns } from '../render/columns.ts';
import { type Format, writeData, writeRows } from '../render/output.ts';
import { age } from '../render/text.ts';

/** `fso tokens create`: the token alone on standard output, for `$(…)` and pipes. */
export const createToken = async (context: Context, wanted: TokenRequest, { output }: { output: Format }): Promise<void> => {
  const created = await (await context.connect()).createToken(wanted);
  if (output === 'json' || output === 'yaml') return writeData(context, output, created);
  const { id, role, expiresAt } = created.view;
  const days = age(context.now().toISOString(), new Date(expiresAt));
  context.progress(`Token ${id}, ${role}, for ${days}. It is shown this once:\n`);
  context.out(`${created.token}\n`);
};

/** `fso tokens list` */
export const listTokens = async (context: Context, { output }: { output: Format }): Promise<void> => {
  const tokens = await (await context.connect()).tokens();
  await writeRows(context, output, tokens, tokenColumns(context.now()));
};

/** `fso tokens revoke` */
export const revokeToken = async (context: Context, id: string): Promise<void> => {
  const { name } = await (await context.connect()).revokeToken(id);
  context.progress(`Revoked ${id} (${name}); streams that it opened have ended\n`);
};

/** `fso fetch` */
export const fetchSource = async (context: Context): Promise<void> => {
  await (await context.connect()).fetchSource();
  context.progress('The hub reads the repository now; fso status shows what it found\n');
};
