import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { firstLoadBudget, precompress } from './build-plugins.ts';
import { type Notice, thirdPartyNotices } from './third-party-notices.ts';

/** URL of the hub's API for `vite` in development, from `FSO_SERVER`. */
const hub = process.env['FSO_SERVER'] ?? 'http://127.0.0.1:8080';

const read = (name: string): string => readFileSync(join(import.meta.dirname, 'notices', name), 'utf8');

/** Licences of files in PatternFly's packages that differ from the packages' own. */
const NOTICES: readonly Notice[] = [
  { title: 'Red Hat fonts', license: 'OFL-1.1', text: read('red-hat-fonts.txt') },
  { title: 'Font Awesome Free icons', license: 'CC-BY-4.0', text: read('font-awesome-icons.txt') },
];

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), firstLoadBudget(), thirdPartyNotices(NOTICES), precompress()],
  build: {
    target: 'es2024',
    // Inlined assets would need `data:` in directives where the Content-Security-Policy has none.
    assetsInlineLimit: 0,
    sourcemap: false,
    // app/zod-without-eval.ts must run before any module that creates schemas, in whatever chunk.
    rolldownOptions: { output: { strictExecutionOrder: true } },
  },
  server: { proxy: Object.fromEntries(['/api/v1', '/auth/'].map((path) => [path, { target: hub, changeOrigin: false }])) },
});
