import { shutdownSignal } from '@fso/shared/runtime';
import { runHub } from './hub.ts';

process.exitCode = await runHub(process.env, shutdownSignal());
