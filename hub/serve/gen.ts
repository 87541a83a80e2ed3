/** Writes docs/openapi.json: part of `npm run gen`. With `--check` it writes nothing and exits 1 when the file is outdated. */
import { generate } from '@fso/shared/gen';
import { buildOpenApi } from './openapi.ts';

const document = { path: 'docs/openapi.json', content: `${JSON.stringify(buildOpenApi(), null, 2)}\n` };
process.exitCode = await generate([document], process.argv.includes('--check'));
