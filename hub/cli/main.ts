#!/usr/bin/env node
import { createProgram } from './program.ts';

// The reader of a pipe has read enough (`fso get policies | head -1`): no error, and nobody is left to write for.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

await createProgram().parseAsync();
