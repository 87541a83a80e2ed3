#!/usr/bin/env node
import { createClientProgram, runProcess } from './program.ts';

/** The program of the npm package (deploy/cli). */
await runProcess(createClientProgram());
