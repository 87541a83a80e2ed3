import { shutdownSignal } from '@fso/shared/runtime';
import { runHub } from './program.ts';

process.exitCode = await runHub(process.env, shutdownSignal());
