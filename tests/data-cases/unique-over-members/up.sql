CREATE UNIQUE INDEX members_one_of_each ON members (team, role);
