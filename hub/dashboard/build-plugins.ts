import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import type { Plugin, Rolldown } from 'vite';

const MIN_BYTES = 1024;
const COMPRESSIBLE = /\.(js|css|html|svg|json|txt)$/;
/**
 * Most gzipped bytes of script for a first page. Charts and map do not count, since they are loaded
 * when they are drawn.
 */
const FIRST_LOAD_BYTES = 500 * 1024;

type Bundle = Rolldown.OutputBundle;
type Chunk = Rolldown.OutputChunk;

const brotli = (content: Buffer): Buffer =>
  brotliCompressSync(content, {
    params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: content.length },
  });

const contentOf = (file: Bundle[string]): Buffer => Buffer.from(file.type === 'chunk' ? file.code : file.source);

/** Writes `x.js.br` and `x.js.gz` beside each file, which the hub serves unchanged. */
export const precompress = (): Plugin => ({
  name: 'fso-precompress',
  apply: 'build',
  generateBundle: {
    order: 'post',
    handler(_options, bundle) {
      for (const [fileName, file] of Object.entries(bundle)) {
        const content = contentOf(file);
        if (!COMPRESSIBLE.test(fileName) || content.length < MIN_BYTES) continue;
        this.emitFile({ type: 'asset', fileName: `${fileName}.br`, source: brotli(content) });
        this.emitFile({ type: 'asset', fileName: `${fileName}.gz`, source: gzipSync(content, { level: 9 }) });
      }
    },
  },
});

const chunkOf = (bundle: Bundle, name: string): Chunk | undefined => {
  const file = bundle[name];
  return file?.type === 'chunk' ? file : undefined;
};

/** Returns the names of a chunk and of all chunks that it imports, directly or indirectly. */
const closure = (bundle: Bundle, name: string, found = new Set<string>()): Set<string> => {
  const chunk = chunkOf(bundle, name);
  if (chunk === undefined || found.has(name)) return found;
  found.add(name);
  for (const imported of chunk.imports) closure(bundle, imported, found);
  return found;
};

/**
 * Returns the gzipped bytes of the scripts that each page loads first, by the name of its chunk.
 */
export const firstLoads = (bundle: Bundle): Map<string, number> => {
  const entry = Object.values(bundle).find((file): file is Chunk => file.type === 'chunk' && file.isEntry);
  if (entry === undefined) throw new Error('The build has no entry.');
  const base = closure(bundle, entry.fileName);
  const later = [...base].flatMap((name) => chunkOf(bundle, name)?.dynamicImports ?? []);
  const pages = later.filter((name) => chunkOf(bundle, name)?.facadeModuleId?.includes('/pages/'));
  if (pages.length === 0) throw new Error('The entry leads to no page.');
  const sizeOf = (name: string): number => gzipSync(chunkOf(bundle, name)?.code ?? '', { level: 9 }).length;
  return new Map(
    pages.map((name) => [
      chunkOf(bundle, name)?.name ?? name,
      [...closure(bundle, name, new Set(base))].reduce((sum, part) => sum + sizeOf(part), 0),
    ]),
  );
};

/**
 * Fails a build whose first page is larger than {@link FIRST_LOAD_BYTES}. Writes the bytes of each
 * page to `first-load.json`.
 */
export const firstLoadBudget = (): Plugin => ({
  name: 'fso-first-load-budget',
  apply: 'build',
  generateBundle: {
    order: 'post',
    handler(_options, bundle) {
      const loads = firstLoads(bundle);
      for (const [page, bytes] of loads) {
        if (bytes > FIRST_LOAD_BYTES) this.error(`${page} takes ${bytes} bytes of script (gzip); the budget is ${FIRST_LOAD_BYTES}.`);
      }
      this.emitFile({ type: 'asset', fileName: 'first-load.json', source: JSON.stringify(Object.fromEntries(loads), null, 2) });
    },
  },
});
