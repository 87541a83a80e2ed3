#!/usr/bin/env node
import { createClientProgram, runProgram } from './program.ts';

/** The program of the npm package (deploy/cli). */
await runProgram(createClientProgram());
