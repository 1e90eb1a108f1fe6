UPDATE plans SET price = NULL WHERE code = 'paid';
