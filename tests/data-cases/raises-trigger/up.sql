UPDATE docs SET note = 'x';
