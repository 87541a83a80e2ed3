import type { ClusterView } from '@fso/shared/api';
import { Alert, ClipboardCopy } from '@patternfly/react-core';
import { addCommand } from './commands.ts';

/** A cluster that is registered and whose agent was never heard of: how to let it in. */
export const NeverSeen = ({ cluster: { name, regions } }: { readonly cluster: ClusterView }) => (
  <Alert isInline variant="info" title="Its agent has never connected: nothing is known of what is enforced there" component="h2">
    <p>Start an agent in the cluster with an enrolment token. An administrator makes one below, or with</p>
    <ClipboardCopy isReadOnly hoverTip="Copy" clickTip="Copied" textAriaLabel="Command that lets the cluster in">
      {addCommand(name, regions)}
    </ClipboardCopy>
  </Alert>
);
