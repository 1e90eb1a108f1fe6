ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON notes USING (tenant = current_setting('app.tenant', true));
