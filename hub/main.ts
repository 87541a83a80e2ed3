import { shutdownSignal } from '@fso/shared/runtime';
import { runHub } from './run-hub.ts';

process.exitCode = await runHub(process.env, shutdownSignal());
