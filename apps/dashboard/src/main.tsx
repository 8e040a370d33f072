import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiError } from './api/http.js';
import { App } from './app.js';
import './styles.css';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // What a caller did wrong does not pass by asking again.
      retry: (failures, error) => failures < 3 && !(error instanceof ApiError && error.status < 500),
      staleTime: 1_000,
    },
  },
});

const root = document.getElementById('root');
if (root === null) throw new Error('there is no root');
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
