import { Breadcrumb, BreadcrumbItem, Content, Flex, PageSection, Title } from '@patternfly/react-core';
import { Link, useLocation } from '@tanstack/react-router';
import { type ReactNode, useEffect, useRef } from 'react';
import { useHasMoved } from '../lib/has-moved.ts';

interface Crumb {
  readonly to: '/policies' | '/clusters' | '/activity' | '/compliance' | '/audit';
  readonly text: string;
}

interface PageHeaderProps {
  readonly title: string;
  /** One line on what the page answers. */
  readonly description?: ReactNode;
  /** Labels beside the title. */
  readonly labels?: ReactNode;
  /** Pages above this one. */
  readonly crumbs?: readonly Crumb[];
}

/** Heading of a page: also the document's title, and where a screen reader goes on after a navigation. */
export const PageHeader = ({ title, description, labels, crumbs = [] }: PageHeaderProps) => {
  const heading = useRef<HTMLHeadingElement>(null);
  const hasMoved = useHasMoved();
  const { pathname } = useLocation();
  useEffect(() => {
    document.title = `${title} · Federated Sovereignty`;
  }, [title]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the path, and nothing else, says that another page is shown.
  useEffect(() => {
    if (hasMoved) heading.current?.focus({ preventScroll: true });
  }, [pathname]);
  return (
    <PageSection hasBodyWrapper={false}>
      {crumbs.length === 0 ? null : (
        <Breadcrumb className="fso-crumbs">
          {crumbs.map(({ to, text }) => (
            <BreadcrumbItem
              key={to}
              render={({ className }) => (
                <Link to={to} className={className}>
                  {text}
                </Link>
              )}
            />
          ))}
          <BreadcrumbItem isActive>{title}</BreadcrumbItem>
        </Breadcrumb>
      )}
      <Flex alignItems={{ default: 'alignItemsCenter' }} columnGap={{ default: 'columnGapMd' }}>
        <Title headingLevel="h1" size="2xl" ref={heading} tabIndex={-1} className="fso-heading">
          {title}
        </Title>
        {labels}
      </Flex>
      {description === undefined ? null : (
        <Content component="p" className="fso-muted">
          {description}
        </Content>
      )}
    </PageSection>
  );
};
