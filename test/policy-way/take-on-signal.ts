/**
 * Loaded into hub and agent before their own code: on SIGUSR2 the process writes which functions
 * ran since the signal before into the folder `NODE_V8_COVERAGE`, and counts from zero again.
 */
import { takeCoverage } from 'node:v8';

process.on('SIGUSR2', takeCoverage);
