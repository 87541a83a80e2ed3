import { createContext, useContext } from 'react';

/** Whether the reader has gone from one page to another since the document was loaded. */
export const HasMoved = createContext(false);
export const useHasMoved = (): boolean => useContext(HasMoved);
