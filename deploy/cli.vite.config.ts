import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vite';
import { thirdPartyNotices } from '../hub/dashboard/third-party-notices.ts';

/**
 * All code of the package, so that it depends on none; and the licences of what is in it. Commands
 * stay files that load when they run.
 */
export default defineConfig({
  root: join(import.meta.dirname, 'cli'),
  ssr: { noExternal: true },
  build: {
    ssr: '../../hub/cli/client-main.ts',
    target: 'node20',
    // No import is there for its effects alone: what the client does not call, such as the database
    // of the ledger, stays out.
    rolldownOptions: { output: { entryFileNames: 'fso.js' }, treeshake: { moduleSideEffects: false } },
  },
  plugins: [
    thirdPartyNotices(),
    {
      name: 'fso-license',
      generateBundle() {
        this.emitFile({ type: 'asset', fileName: 'LICENSE', source: readFileSync(join(import.meta.dirname, '../LICENSE')) });
      },
    },
  ],
});
