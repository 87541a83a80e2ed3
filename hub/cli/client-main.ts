#!/usr/bin/env node
import { createClientProgram, runProcess } from './program.ts';

/** Program of the npm package (deploy/cli). */
await runProcess(createClientProgram());
