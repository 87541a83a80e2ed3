import { Breadcrumb, BreadcrumbItem, Content, Flex, Nav, NavItem, NavList, PageSection, Title } from '@patternfly/react-core';
import { Link, type LinkProps, useLocation } from '@tanstack/react-router';
import { createContext, type ReactNode, useContext, useEffect, useRef } from 'react';

/** Whether the user has navigated since the document was loaded. */
export const HasNavigated = createContext(false);
const useHasNavigated = (): boolean => useContext(HasNavigated);

interface Crumb {
  readonly to: '/policies' | '/clusters' | '/activity' | '/compliance' | '/audit' | '/plan';
  readonly text: string;
}

interface PageHeaderProps {
  readonly title: string;
  /** Description of the page in one line. */
  readonly description?: ReactNode;
  /** Labels beside the title. */
  readonly labels?: ReactNode;
  /** Pages above this one. */
  readonly crumbs?: readonly Crumb[];
}

/**
 * Heading of a page. It is also the title of the document, and gets the focus after a navigation,
 * for screen readers.
 */
const PageHeader = ({ title, description, labels, crumbs = [] }: PageHeaderProps) => {
  const heading = useRef<HTMLHeadingElement>(null);
  const hasMoved = useHasNavigated();
  const { pathname } = useLocation();
  useEffect(() => {
    document.title = `${title} · Federated Sovereignty`;
  }, [title]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: only the path tells that another page is shown.
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

type SubPage = { readonly to: NonNullable<LinkProps['to']>; readonly text: string };

/** Links to the parts of a page, each with its own URL. */
const SubPages = ({ label, pages }: { readonly label: string; readonly pages: readonly SubPage[] }) => {
  const { pathname } = useLocation();
  return (
    <PageSection hasBodyWrapper={false} type="subnav" className="fso-sub-pages">
      <Nav aria-label={label} variant="horizontal-subnav">
        <NavList>
          {pages.map(({ to, text }) => (
            <NavItem key={to} isActive={pathname === to}>
              <Link to={to} {...(pathname === to ? { 'aria-current': 'page' as const } : {})}>
                {text}
              </Link>
            </NavItem>
          ))}
        </NavList>
      </Nav>
    </PageSection>
  );
};

interface PageProps extends PageHeaderProps {
  /** Parts of the page, with the accessible name of their links. */
  readonly parts?: readonly [label: string, pages: readonly SubPage[]];
  readonly className?: string;
  readonly children: ReactNode;
}

/** A page: its heading, the links to its parts, and its content. */
export const Page = ({ parts, className = '', children, ...header }: PageProps) => (
  <>
    <PageHeader {...header} />
    {parts === undefined ? null : <SubPages label={parts[0]} pages={parts[1]} />}
    <PageSection hasBodyWrapper={false} isFilled className={className}>
      {children}
    </PageSection>
  </>
);
