import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';
import { firstLoadBudget, precompress } from './build-plugins.ts';

/** `FSO_SERVER` is where `vite` (development, with reload) finds the hub's API. */
const hub = process.env['FSO_SERVER'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react(), firstLoadBudget(), precompress()],
  build: {
    target: 'es2024',
    // What is inlined would need `data:` in places where the Content-Security-Policy has none.
    assetsInlineLimit: 0,
    sourcemap: false,
    // app/zod-without-eval.ts must run before what makes schemas, whatever chunk that lands in.
    rolldownOptions: { output: { strictExecutionOrder: true } },
  },
  server: { proxy: Object.fromEntries(['/api/v1', '/auth/'].map((path) => [path, { target: hub, changeOrigin: false }])) },
});
