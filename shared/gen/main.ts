/**
 * Writes the CRD and the editor schemas: part of `npm run gen`. With `--check` it writes nothing
 * and exits 1 when a file is outdated.
 */
import { generate } from './generate.ts';
import { PRODUCERS } from './producers.ts';

process.exitCode = await generate(
  PRODUCERS.flatMap((produce) => produce()),
  process.argv.includes('--check'),
);
