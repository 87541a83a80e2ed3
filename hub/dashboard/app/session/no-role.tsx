import { EmptyState, EmptyStateBody, PageSection } from '@patternfly/react-core';
import LockIcon from '@patternfly/react-icons/dist/esm/icons/lock-icon';

/** Known, but nothing gives a role: who one is, what is needed, and who can give it. */
export const NoRole = ({ name }: { readonly name: string }) => (
  <PageSection hasBodyWrapper={false}>
    <EmptyState titleText="You may not see anything here yet" headingLevel="h1" icon={LockIcon}>
      <EmptyStateBody>
        You are signed in as {name}, but nothing that the identity provider says of you gives a role here. To read this dashboard you need
        the role <strong>viewer</strong>: ask an administrator of this hub to map one of your groups to it (FSO_OIDC_ROLE_MAP), then sign in
        again.
      </EmptyStateBody>
    </EmptyState>
  </PageSection>
);
